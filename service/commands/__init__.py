"""What each command does: it composes what it needs, asks one question and prints the answer.

One module for each, which `service.__main__` imports when it is typed; `answering` and `naming` are shared.
"""
