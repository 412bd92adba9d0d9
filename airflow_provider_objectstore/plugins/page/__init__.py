"""The page "Object stores" of Airflow's UI. Only the API server imports what is in here."""
