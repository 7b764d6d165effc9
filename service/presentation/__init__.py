"""How numbers, words and charts look, on pages, in terminals and in reports: values in, text and shapes out.

Reading order: numbers, words, chart, answers (for programs), terminal.
"""
