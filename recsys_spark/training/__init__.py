"""Fitting on the driver: from column files to a trained model and its scorers."""
