"""NAME.goldlock: one file that holds a delivery, made by `goldlock pack` and checked by `goldlock verify`.

An uncompressed tar archive in the one form that `goldlock.ustar` writes, its members in this order::

    goldlock-pack.json                 what is in it: every other member's size and digest; carries its own id
    signature-DIGEST.dsse.json         where it is signed: a DSSE envelope; DIGEST is the file's own
    goldlock.toml                      the configuration, its paths inside the pack, its image by config id
    goldlock.lock
    goldens/CASE/...                   each golden with its inputs; goldens/CASE@NAME/... other and bad ones
    sbom.cdx.json                      software bill of materials, CycloneDX 1.6
    image/...                          the image as an OCI layout, its layers uncompressed

The same contents give the same bytes, and one content has one form: a reader compares every byte that is not
content with the one that must stand there.
"""
