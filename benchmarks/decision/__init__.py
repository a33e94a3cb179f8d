"""What one decision costs, however many members there are."""
