"""Renderers: each turns a `goldlock.report.Report` into text, and reads nothing else."""
