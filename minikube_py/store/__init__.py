"""The revisioned log of writes (MVCC): one interface, three drivers."""
