"""What Ansible asks of Warren on the controller: certificates and secrets, broker objects, wheels for hosts.

The modules and the inventory plugin of the collection (``ansible/plugins``) are thin: each calls one function
here.
"""
