"""What ranking models minimise, one file each."""
