"""Figures: what Obhut does in a second, each beside what the machine could do at most, measured in the same run."""
