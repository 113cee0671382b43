"""What a field is fitted to: the values, gradients or Laplacian of a signal."""
