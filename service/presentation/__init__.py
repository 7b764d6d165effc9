"""How numbers, words and charts look, on pages and in reports. Values in, text and shapes out; nothing is computed twice.

Reading order: numbers, words, chart.
"""
