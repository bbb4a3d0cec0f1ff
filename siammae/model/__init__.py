"""The method: tensors in, tensors out; no file, no video and no configuration tree."""
