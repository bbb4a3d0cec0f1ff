"""Computing figures from predictions and truth: arrays in, numbers out."""
