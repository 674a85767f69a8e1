"""What could hedge it, on which venue, and why.

``universe.survey`` lists the contracts, ``diligence.score`` judges venues, ``ranking.shortlist`` ranks. They are
imported from their modules, so that who only wants a venue's record does not load the whole room.
"""
