"""What most parts need, loaded once before their processes are forked: no part of it touches a GPU."""

import torch

import recon.conversion
import recon.evaluation

__all__ = ["recon", "torch"]
