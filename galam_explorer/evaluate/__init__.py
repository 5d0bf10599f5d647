"""What comes out: figures now; predictions, metrics and tables as they arrive."""
