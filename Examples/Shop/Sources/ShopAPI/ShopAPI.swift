// The code of the .proto files is made by VoleryPlugin.
