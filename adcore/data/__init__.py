"""Samples, decoding, resizing and the split of normals."""
