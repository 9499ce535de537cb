"""LCBench: 34 data sets of OpenML, a multilayer perceptron, whole learning curves, by way of YAHPO Gym's surrogate."""
