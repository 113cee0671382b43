"""What a field is asked to be: the values, gradients or Laplacian of a signal."""
