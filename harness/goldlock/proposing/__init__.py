"""What `goldlock init` proposes for a subject: from what was seen of it to a goldlock.toml that runs.

`seen` says what can be seen, `dockerfile` and `image` read it, `recognising` knows services by it, `answers`
finds columns in what they answer, `commands` knows batch programs, `writing` makes the file. All of these are
functions from values to values; `looking`, `starting` and `proposal` do the rest.
"""
