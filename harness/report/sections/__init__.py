"""The sections of a report, one module each: what they compute, and their tables, figures and sentences."""
