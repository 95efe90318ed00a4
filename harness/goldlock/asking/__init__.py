"""How a subject is asked: by running a command in it, or over HTTP."""
