"""The Keras models, one file each."""
