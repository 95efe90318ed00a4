"""A small neural network that names the species of an iris; TensorFlow, asked by file or over HTTP."""
