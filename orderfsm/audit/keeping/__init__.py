"""What one audit leaves to the next."""
