"""Vectors that no model made, to see what so many passages cost without waiting for an encoder.

A text's vector depends on nothing but the text: a centre that its first line gives, so that passages of a document lie
together as real ones do, and noise of its own.
"""

import hashlib

import numpy as np

DIMENSION = 384
APART = 0.8
"""The length of the noise beside that of the centre."""


def vectors(texts):
    """(n, 384) float32, unit length."""
    made = np.empty((len(texts), DIMENSION), dtype=np.float32)
    for row, text in enumerate(texts):
        made[row] = _direction(text.partition("\n")[0]) + APART * _direction(text)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made


def _direction(text):
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    drawn = np.random.default_rng(seed).standard_normal(DIMENSION, dtype=np.float32)
    return drawn / np.linalg.norm(drawn)
