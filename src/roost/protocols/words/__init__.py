"""The words that Roost nodes say to each other, as values, and the one codec of their messages.

Words travel as memberlist user messages and in the user state of an exchange; `metadata` is what a node
says about itself in its member entry. Peers that are no Roost nodes drop what they do not know.
"""
