"""What a run's folder is: its files, its records and its saved state."""
