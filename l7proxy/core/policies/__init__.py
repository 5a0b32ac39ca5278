"""Policies: they keep a pool of backends healthy, and clients from sending too much.

- `base`: the base of all policies, and of those that observe every attempt
- `health_check`: active checks
- `outlier_ejection`: backends whose answers to real requests fail too often are left out
- `circuit_breaker`: a breaker for each backend
- `failure_rate`: the share of attempts that failed, over a sliding window
- `slow_start`: a backend that comes back gets its share little by little
- `retry`: whether another attempt is made, and when
- `rate_limit`: token buckets
"""
