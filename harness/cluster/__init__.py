"""Sweeps on a cluster: jobs on SLURM and Ray, what they take, how they end, and how they are cancelled."""
