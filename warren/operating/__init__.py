"""How the operations of `warren.operations` are planned, carried out, gone on with and undone."""
