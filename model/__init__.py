"""The reference models: what goldlock tests itself on and teaches with. They run inside the image, on Python 3.8."""
