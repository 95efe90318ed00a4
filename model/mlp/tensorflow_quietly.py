"""TensorFlow, imported without its remarks on what the predict image leaves out on purpose."""

import logging

# "Limited tf.summary API due to missing TensorBoard installation", eight times.
logging.disable(logging.WARNING)
import tensorflow as tf  # noqa: E402

logging.disable(logging.NOTSET)

__all__ = ["tf"]
