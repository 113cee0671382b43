"""Sampled signals in files: images, sounds, films."""
