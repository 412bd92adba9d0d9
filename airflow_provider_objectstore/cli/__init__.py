"""``airflow objectstore``: what is in the stores, from a terminal. On Airflow 3.2 and later."""
