"""The search of settings: many fits on the train part, compared on the validation part."""
