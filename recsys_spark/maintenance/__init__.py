"""What keeps an output folder small and clean for years: what may go, and how it goes."""
