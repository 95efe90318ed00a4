"""What `goldlock init` proposes for a subject: from what was seen of it to a goldlock.toml that runs.

Functions from values to values: `seen` has what can be seen, `dockerfile` and `sourcing` read it, `recognising` and
`services` know services by it, `openapi` reads what they say of themselves, `answers` finds columns in what they
answer, `commands` knows batch programs, `sampling` likely inputs, and `writing` makes the file. At the rim, `looking`
and `inside` look, `serving` and `batching` ask, `trying` and `inputs` decide, and `proposal` puts it all together.
"""
