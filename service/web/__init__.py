"""The ways in over HTTP: a JSON API and the pages that show the same values.

Reading order: services (what handlers are given), api (for programs), dashboard, view and form (for people),
problems (what went wrong), caching, security, openapi.
"""
