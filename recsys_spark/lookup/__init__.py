"""What the command `recsys` answers: one module for each of its sub-commands, and what they share."""
