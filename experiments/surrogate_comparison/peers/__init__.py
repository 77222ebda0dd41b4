"""What a user would otherwise pick, each as its library's tutorials use it.

All of them see the task as a user would put it: state, decision and parameters in, next state and
outputs out, everything standardised and every number on its own.
"""
