"""What keeps a pool alive, and what keeps clients from asking too much.

- `base`: what all policies have in common, and what those hear that observe every attempt
- `flags`: the reasons why a backend should get no request
- `health_check`: active checks
- `outlier_ejection`: backends whose answers to real requests fail too often
- `circuit_breaker`: a breaker for each backend
- `failure_rate`: the share of attempts that failed, over a sliding window
- `slow_start`: a backend that comes back gets its share little by little
- `retry`: whether another attempt is made, and when
- `rate_limit`: how many requests are too many
"""
