"""A Gaussian process with a prior over the optimum: the distribution, the sampler and the method."""
