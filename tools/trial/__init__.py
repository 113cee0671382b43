"""The parts of tools/gpu_trial.py, and what runs them."""
