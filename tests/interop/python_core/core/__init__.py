"""The core of the Peer Communication Protocol 1.1, written from docs/PROTOCOL.md.

Sans-IO: time and randomness are passed in with an `Entity`. Section numbers are those of the document.
"""
