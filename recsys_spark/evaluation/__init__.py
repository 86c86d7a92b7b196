"""What a model is worth: metrics beside baselines."""
