"""
Every place where this package depends on Airflow's version or reaches into its privates, by what it is about.

Each function says when it can go. Airflow modules that only some versions have are imported inside the functions.
"""
