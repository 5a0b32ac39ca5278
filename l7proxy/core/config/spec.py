"""What a configuration may say, declared once: the loader and the JSON Schema both read it.

A `Record` is a frozen class whose attributes are declared with `field(spec)`. A spec knows how to
`load` a JSON value, collecting every problem with its JSON pointer instead of stopping at the
first, and how to describe itself as JSON Schema (draft 2020-12). There is no second description
to keep in step.

`dataclasses` is not used because importing it (it brings `inspect`) costs more than a whole
one-line run of the node; to a type checker these classes are dataclasses.
"""

from __future__ import annotations

from l7proxy.core.config.strict_json import JsonObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, ClassVar, Self, dataclass_transform

    Schema = dict[str, Any]
else:

    def dataclass_transform(**_kwargs):
        return lambda cls: cls


class Problem:
    """One thing wrong with a configuration, where it is, and what to do about it."""

    __slots__ = ("message", "pointer", "structural")

    def __init__(self, pointer: str, message: str, *, structural: bool = True) -> None:
        self.pointer = pointer
        self.message = message
        self.structural = structural
        """False where the value has the right shape and contradicts another part of the file."""

    def __str__(self) -> str:
        # The pointer to the whole is empty (RFC 6901, 5).
        return f"{self.pointer}: {self.message}" if self.pointer else self.message

    __repr__ = __str__

    def under(self, pointer: str) -> Problem:
        """The same problem, where the whole that its pointer is for is itself at `pointer`."""
        return Problem(pointer + self.pointer, self.message, structural=self.structural)


class Problems:
    """Collects problems, so that a person sees all of them at once."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self._defined: dict[str, dict[str, None]] = {}
        self._references: list[tuple[str, str, str]] = []

    def add(self, pointer: str, message: str, *, structural: bool = True) -> None:
        self.found.append(Problem(pointer, message, structural=structural))

    def conflict(self, pointer: str, message: str) -> None:
        """Adds a contradiction between values that are each well formed."""
        self.add(pointer, message, structural=False)

    def define(self, kind: str, name: str) -> None:
        """Notes that there is a thing of that kind, so that others may refer to it."""
        self._defined.setdefault(kind, {})[name] = None

    def refer(self, pointer: str, kind: str, name: str) -> None:
        """Notes a reference; whether it leads anywhere is known when all is loaded."""
        self._references.append((pointer, kind, name))

    def resolve(self) -> None:
        """Adds every reference to something that nothing defines."""
        for pointer, kind, name in self._references:
            known = self._defined.get(kind, ())
            if name not in known:
                self.conflict(pointer, f'no {kind} named "{name}"{suggestion(name, known)}')

    def __len__(self) -> int:
        return len(self.found)


class ConfigError(ValueError):
    """A configuration was refused; `problems` lists every reason."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def suggestion(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """`; did you mean "users"?`, or nothing where no known word is near.

    `likeness` is how near, from 0 (anything) to 1 (the same).
    """
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1, cutoff=likeness)
    return f'; did you mean "{near[0]}"?' if near else ""


def child(pointer: str, key: str | int) -> str:
    """The JSON pointer (RFC 6901) of a member or element."""
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


def kind_of(value: object) -> str:
    """How a JSON value is called in an error message."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "a boolean"
    names = {str: "a string", int: "a number", float: "a number", list: "an array"}
    return names.get(type(value), "an object")


REQUIRED: Any = object()
"""The default of a field that must be given."""

BAD: Any = object()
"""What a spec loads where it has reported a problem."""


class Spec:
    """A kind of JSON value: how it is loaded and how it is described."""

    expected = "a value"

    def load(self, value: Any, at: str, problems: Problems) -> Any:
        """The loaded value, or `BAD` after adding to `problems`."""
        raise NotImplementedError

    def schema(self, definitions: Schema) -> Schema:
        """This value's JSON Schema; records add themselves to `definitions`."""
        raise NotImplementedError

    def accepts(self, value: Any) -> bool:
        """Whether the value's JSON type is this spec's, so that `Either` knows whom to ask."""
        raise NotImplementedError

    def wrong(self, value: Any, at: str, problems: Problems) -> Any:
        """Reports a value of another JSON type."""
        problems.add(at, f"must be {self.expected}, not {kind_of(value)}")
        return BAD


class Text(Spec):
    """A string, perhaps one of `choices`, perhaps matching the regular expression `pattern`."""

    expected = "a string"

    def __init__(
        self,
        *,
        choices: Iterable[str] = (),
        pattern: str | None = None,
        meaning: str = "",
        min_length: int = 0,
    ) -> None:
        self.choices = tuple(choices)
        self.pattern = pattern
        self.meaning = meaning
        self.min_length = min_length

    def accepts(self, value: Any) -> bool:
        return type(value) is str

    def load(self, value: Any, at: str, problems: Problems) -> Any:
        if type(value) is not str:
            return self.wrong(value, at, problems)
        if self.choices and value not in self.choices:
            known = ", ".join(f'"{choice}"' for choice in self.choices)
            problems.add(at, f'"{value}" is not one of {known}{suggestion(value, self.choices)}')
            return BAD
        if len(value) < self.min_length:
            problems.add(at, "must not be empty")
            return BAD
        if self.pattern is not None:
            import re

            if re.search(self.pattern, value) is None:
                problems.add(at, f'"{value}" must be {self.meaning or self.pattern}')
                return BAD
        return value

    def schema(self, definitions: Schema) -> Schema:
        made: Schema = {"type": "string"}
        if self.choices:
            made["enum"] = list(self.choices)
        if self.pattern is not None:
            made["pattern"] = self.pattern
        if self.min_length:
            made["minLength"] = self.min_length
        return made


class Reference(Text):
    """The name of a thing of some kind (a "pool"), which a `MapOf(defines=kind)` must define."""

    def __init__(self, kind: str) -> None:
        super().__init__(min_length=1)
        self.kind = kind

    def load(self, value: Any, at: str, problems: Problems) -> Any:
        loaded = super().load(value, at, problems)
        if loaded is not BAD:
            problems.refer(at, self.kind, loaded)
        return loaded


class Number(Spec):
    """A finite number within bounds; `whole` where it must be an integer."""

    def __init__(
        self,
        *,
        minimum: float | None = None,
        above: float | None = None,
        maximum: float | None = None,
        whole: bool = False,
    ) -> None:
        self.minimum = minimum
        self.above = above
        self.maximum = maximum
        self.whole = whole
        self.expected = "a whole number" if whole else "a number"

    def accepts(self, value: Any) -> bool:
        return type(value) in (int, float)

    def load(self, value: Any, at: str, problems: Problems) -> Any:
        if type(value) not in (int, float):
            return self.wrong(value, at, problems)
        if value - value != 0:
            problems.add(at, "must be a finite number")
        elif self.whole and value != int(value):
            problems.add(at, f"must be a whole number, not {value}")
        elif self.minimum is not None and value < self.minimum:
            problems.add(at, f"must be at least {self.minimum}, not {value}")
        elif self.above is not None and value <= self.above:
            problems.add(at, f"must be greater than {self.above}, not {value}")
        elif self.maximum is not None and value > self.maximum:
            problems.add(at, f"must be at most {self.maximum}, not {value}")
        elif self.whole:
            return int(value)
        else:
            return value
        return BAD

    def schema(self, definitions: Schema) -> Schema:
        made: Schema = {"type": "integer" if self.whole else "number"}
        bounds = {
            "minimum": self.minimum,
            "exclusiveMinimum": self.above,
            "maximum": self.maximum,
        }
        made.update((key, bound) for key, bound in bounds.items() if bound is not None)
        return made


LONGEST = 10 * 365 * 86400
"""The longest duration (seconds): more than anyone means, and less than any clock overflows at."""


def seconds(*, zero: bool = True) -> Number:
    """A duration in seconds."""
    return Number(minimum=0, maximum=LONGEST) if zero else Number(above=0, maximum=LONGEST)


def instant() -> Number:
    """A point in the core's time, in seconds; virtual time may count from any year."""
    return Number(minimum=0, maximum=1e15)


def count(minimum: int = 1, maximum: int | None = None) -> Number:
    """A whole number of things."""
    return Number(minimum=minimum, maximum=maximum, whole=True)


def share() -> Number:
    """A share of a whole, 0 to 1."""
    return Number(minimum=0, maximum=1)


class Boolean(Spec):
    """true or false."""

    expected = "true or false"

    def accepts(self, value: Any) -> bool:
        return type(value) is bool

    def load(self, value: Any, at: str, problems: Problems) -> Any:
        return value if type(value) is bool else self.wrong(value, at, problems)

    def schema(self, definitions: Schema) -> Schema:
        return {"type": "boolean"}


class Anything(Spec):
    """Any JSON value, for options whose meaning a third party's class knows."""

    def accepts(self, value: Any) -> bool:
        return True

    def load(self, value: Any, at: str, problems: Problems) -> Any:
        return value

    def schema(self, definitions: Schema) -> Schema:
        return {}


class ListOf(Spec):
    """An array, loaded as a tuple."""

    expected = "an array"

    def __init__(self, item: Spec, *, min_items: int = 0) -> None:
        self.item = item
        self.min_items = min_items

    def accepts(self, value: Any) -> bool:
        return type(value) is list

    def load(self, value: Any, at: str, problems: Problems) -> Any:
        if type(value) is not list:
            return self.wrong(value, at, problems)
        if len(value) < self.min_items:
            problems.add(at, f"needs at least {self.min_items} element(s)")
            return BAD
        before = len(problems)
        loaded = tuple(
            self.item.load(item, child(at, index), problems) for index, item in enumerate(value)
        )
        return loaded if len(problems) == before else BAD

    def schema(self, definitions: Schema) -> Schema:
        made: Schema = {"type": "array", "items": self.item.schema(definitions)}
        if self.min_items:
            made["minItems"] = self.min_items
        return made


class MapOf(Spec):
    """An object whose keys are names of the user's choice.

    With `defines`, the keys are the names of things of that kind, broken or not: a reference to
    a thing that is itself wrong is not a second mistake.
    """

    expected = "an object"

    def __init__(self, item: Spec, *, keys: Text | None = None, defines: str | None = None) -> None:
        self.item = item
        self.keys = keys or Text(min_length=1)
        self.defines = defines

    def accepts(self, value: Any) -> bool:
        return isinstance(value, dict)

    def load(self, value: Any, at: str, problems: Problems) -> Any:
        if not isinstance(value, dict):
            return self.wrong(value, at, problems)
        before = len(problems)
        refuse_repeated(value, at, problems)
        loaded = {}
        for key, item in value.items():
            self.keys.load(key, child(at, key), problems)
            if self.defines is not None:
                problems.define(self.defines, key)
            loaded[key] = self.item.load(item, child(at, key), problems)
        return loaded if len(problems) == before else BAD

    def schema(self, definitions: Schema) -> Schema:
        return {
            "type": "object",
            "propertyNames": self.keys.schema(definitions),
            "additionalProperties": self.item.schema(definitions),
        }


class Either(Spec):
    """One of several specs of different JSON types."""

    def __init__(self, *specs: Spec) -> None:
        self.specs = specs
        self.expected = " or ".join(spec.expected for spec in specs)

    def accepts(self, value: Any) -> bool:
        return any(spec.accepts(value) for spec in self.specs)

    def load(self, value: Any, at: str, problems: Problems) -> Any:
        for spec in self.specs:
            if spec.accepts(value):
                return spec.load(value, at, problems)
        return self.wrong(value, at, problems)

    def schema(self, definitions: Schema) -> Schema:
        return {"anyOf": [spec.schema(definitions) for spec in self.specs]}


class Maybe(Spec):
    """A spec, or null for "none at all" where leaving the key out means something else."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.expected = f"{spec.expected} or null"

    def accepts(self, value: Any) -> bool:
        return value is None or self.spec.accepts(value)

    def load(self, value: Any, at: str, problems: Problems) -> Any:
        if value is None:
            return None
        if not self.spec.accepts(value):
            return self.wrong(value, at, problems)
        return self.spec.load(value, at, problems)

    def schema(self, definitions: Schema) -> Schema:
        return {"anyOf": [self.spec.schema(definitions), {"type": "null"}]}


class Mapped(Spec):
    """A spec whose loaded value is turned into another by `convert`.

    `convert` raises ValueError, with a text for people, where the value can't be used.
    """

    def __init__(self, spec: Spec, convert: Callable[[Any], Any]) -> None:
        self.spec = spec
        self.convert = convert
        self.expected = spec.expected

    def accepts(self, value: Any) -> bool:
        return self.spec.accepts(value)

    def load(self, value: Any, at: str, problems: Problems) -> Any:
        loaded = self.spec.load(value, at, problems)
        if loaded is BAD:
            return BAD
        try:
            return self.convert(loaded)
        except ValueError as error:
            problems.conflict(at, str(error))
            return BAD

    def schema(self, definitions: Schema) -> Schema:
        return self.spec.schema(definitions)


class Of(Spec):
    """A record, written as a JSON object."""

    expected = "an object"

    def __init__(self, record: type[Record]) -> None:
        self.record = record

    def accepts(self, value: Any) -> bool:
        return isinstance(value, dict)

    def load(self, value: Any, at: str, problems: Problems) -> Any:
        if not isinstance(value, dict):
            return self.wrong(value, at, problems)
        return self.record.load(value, at, problems)

    def schema(self, definitions: Schema) -> Schema:
        return self.record.schema(definitions)


class Field:
    """A record's attribute: its spec, its default and one line about it."""

    __slots__ = ("default", "doc", "key", "spec")

    def __init__(self, spec: Spec, doc: str, default: Any, key: str) -> None:
        self.spec = spec
        self.default = default
        self.doc = doc
        self.key = key


def field(spec: Spec, doc: str, *, default: Any = REQUIRED, key: str = "") -> Any:
    """Declares a record's attribute; its key in the JSON is `key`, or the attribute's name."""
    return Field(spec, doc, default, key)


class _Unknown(Exception):
    """Raised by a record that is being checked, for a field whose value was refused."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Record:
    """A frozen bundle of validated values, compared and printed by its fields."""

    fields: ClassVar[Mapping[str, Field]] = {}
    keys: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        declared = dict(cls.fields)
        for name, value in list(cls.__dict__.items()):
            if isinstance(value, Field):
                value.key = value.key or name
                declared[name] = value
                delattr(cls, name)
        cls.fields = declared
        cls.keys = tuple(f.key for f in declared.values())

    def __init__(self, **values: Any) -> None:
        unknown = values.keys() - self.fields.keys()
        if unknown:
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        own = self.__dict__
        for name, declared in self.fields.items():
            value = values.get(name, declared.default)
            if value is REQUIRED:
                raise TypeError(f"{type(self).__name__} needs {name}")
            own[name] = value

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} can't be set")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        said = (f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({', '.join(said)})"

    def replace(self, **changes: Any) -> Self:
        """A copy with some values changed."""
        return type(self)(**{**self.__dict__, **changes})

    @classmethod
    def load(cls, value: Mapping[str, Any], at: str, problems: Problems) -> Any:
        """The record, or `BAD` after adding to `problems`; unknown keys are refused."""
        before = len(problems)
        refuse_repeated(value, at, problems)
        for key in value:
            if key not in cls.keys:
                problems.add(child(at, key), cls.unknown(key))
        record = cls.__new__(cls)
        own = record.__dict__
        for name, declared in cls.fields.items():
            key = declared.key
            if key in value:
                loaded = declared.spec.load(value[key], child(at, key), problems)
                if loaded is not BAD:
                    own[name] = loaded
            elif declared.default is REQUIRED:
                problems.add(at, f'"{key}" is missing')
            else:
                own[name] = declared.default
        try:
            record.check(at, problems)
        except _Unknown:
            pass
        return record if len(problems) == before else BAD

    @classmethod
    def unknown(cls, key: str) -> str:
        """What there is to say of a key that the record does not have."""
        return f"unknown key{suggestion(key, cls.keys)}"

    def check(self, at: str, problems: Problems) -> None:
        """Adds what no single field can know: contradictions between this record's fields.

        Where a field was refused, looking at it ends the check: nothing can be said of it.
        """

    if not TYPE_CHECKING:  # pragma: no branch

        def __getattr__(self, name):
            if name in self.fields:
                raise _Unknown(name)
            raise AttributeError(f"{type(self).__name__} has no {name}")

    @classmethod
    def schema(cls, definitions: Schema) -> Schema:
        """A reference into `definitions`, where this record's schema is put once."""
        name = cls.__name__
        if name not in definitions:
            made: Schema = {"type": "object"}
            definitions[name] = made
            if cls.__doc__:
                made["description"] = " ".join(cls.__doc__.split("\n\n")[0].split())
            made["properties"] = {
                declared.key: _described(declared, definitions) for declared in cls.fields.values()
            }
            required = [f.key for f in cls.fields.values() if f.default is REQUIRED]
            if required:
                made["required"] = required
            made["additionalProperties"] = False
        return {"$ref": f"#/$defs/{name}"}


def _described(declared: Field, definitions: Schema) -> Schema:
    made = dict(declared.spec.schema(definitions))
    if declared.doc:
        made["description"] = declared.doc
    if isinstance(declared.default, str | int | float):
        made["default"] = declared.default
    return made


def refuse_repeated(value: Mapping[str, Any], at: str, problems: Problems) -> None:
    """A key written twice is a mistake that JSON parsers hide: the last one silently wins."""
    if isinstance(value, JsonObject):
        for key in value.repeated:
            problems.conflict(child(at, key), "is written more than once")
