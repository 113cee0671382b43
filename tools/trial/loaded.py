"""What most parts need, loaded once before their processes are forked: no part of it touches a GPU."""

import torch

import recon.surface.conversion
import recon.surface.evaluation

__all__ = ["recon", "torch"]
