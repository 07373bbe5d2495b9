"""Difference: two builds held against each other, from their rows, reports and recipes; nothing is written."""
