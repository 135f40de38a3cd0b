"""What outlives a process: run folders, jobs, the workspace. Imports neither Keras nor TensorFlow."""
