"""Device (first version)."""
import importlib
_table={}
def resolve(type):
    return importlib.import_module("tensorplug.plugins.numpy").NumpyBackend()
class Device:
    kernel_factory=None
    def __new__(cls, type, index=0):
        if isinstance(type, Device): return type
        name,_,i=type.partition(":"); key=(name,int(i or index))
        if key not in _table:
            d=object.__new__(cls); d.type=key[0]; d.index=key[1]; d.backend=resolve(name); _table[key]=d
        return _table[key]
    def __getattr__(self, n):
        if n=="F":
            self.F=f=Device.kernel_factory(self); return f
        raise AttributeError(n)
    def __str__(self): return "cpu" if self.type=="cpu" else f"{self.type}:{self.index}"
    def __repr__(self): return f"device(type='{self.type}')"
def get_default_device(): return Device("cpu")
